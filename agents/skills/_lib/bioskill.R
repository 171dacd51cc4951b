# Small helpers for skills in R, in base R alone. A skill is called as `Rscript code.R task.json`; the task file's
# twin task.R says which files to read (inputs), what to write (outputs) and the parameters. Trouble with the data ends
# the script with one line on standard error and exit code 65.

bs_fail <- function(...) {
  cat("DATA: ", ..., "\n", sep = "", file = stderr())
  quit(save = "no", status = 65)
}

bs_load_task <- function() {
  args <- commandArgs(trailingOnly = TRUE)
  if (length(args) < 1) bs_fail("no task file was named")
  task <- dget(sub("[.]json$", ".R", args[1]))
  set.seed(task$seed)
  task
}

bs_need <- function(task, name) {
  value <- task$parameters[[name]]
  if (is.null(value)) bs_fail("the task gives no parameter '", name, "'")
  value
}

bs_parameter <- function(task, name, default) {
  value <- task$parameters[[name]]
  if (is.null(value)) default else value
}

# The rule of bioresearcher/schemas/missing.py: codes that are missing in every column, and words that are missing among
# numbers and a level among texts. A test compares both.
bs_codes <- strsplit(paste0(
  "|.|--|---|'--|na|n/a|n.a.|nan|-nan|+nan|null|<na>|nat|#n/a|#n/a n/a|#na|1.#ind|-1.#ind|1.#qnan|-1.#qnan",
  "|[not available]|[not applicable]|[not evaluated]|[not reported]|[unknown]|[discrepancy]|[pending]"
), "|", fixed = TRUE)[[1]]
bs_words <- strsplit(paste0(
  "none|-|?|unknown|missing|unavailable|undetermined|not available|not applicable|not reported|not known",
  "|not recorded|not provided|not collected|not determined|not done|not evaluated|not assessed"
), "|", fixed = TRUE)[[1]]

bs_key <- function(cells) tolower(trimws(cells, whitespace = "[\\h\\v]"))

# A column of text with NA for what is missing; `stated` are further codes.
bs_blank <- function(cells, stated = character()) {
  keys <- bs_key(cells)
  missing <- c(bs_codes, bs_key(stated))
  known <- unique(keys[!keys %in% c(missing, bs_words)])
  number <- "^[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)(e[+-]?[0-9]+)?|inf(inity)?)$"
  if (length(known) && all(grepl(number, known))) missing <- c(missing, bs_words)
  cells[is.na(cells) | keys %in% missing] <- NA
  cells
}

# The codes stated for a column: `column=code` is for one column, `code` for all.
bs_stated <- function(column, columns, codes) {
  own <- startsWith(codes, paste0(column, "="))
  general <- !Reduce(`|`, lapply(columns, function(name) startsWith(codes, paste0(name, "="))), logical(length(codes)))
  c(substring(codes[own], nchar(column) + 2), codes[general])
}

# A table; text stays text, and what is missing becomes NA.
bs_read_table <- function(path, missing = character()) {
  if (is.null(path) || !file.exists(path)) bs_fail("an input file is not there")
  sep <- if (grepl("[.]csv([.]gz)?$", path)) "," else "\t"
  table <- tryCatch(
    read.table(path, header = TRUE, sep = sep, quote = "\"", comment.char = "", check.names = FALSE,
               na.strings = character(), colClasses = "character"),
    error = function(e) bs_fail(basename(path), ": not a readable table (", conditionMessage(e), ")")
  )
  if (anyDuplicated(names(table))) bs_fail(basename(path), ": two columns have the same name")
  stated <- as.character(unlist(missing))
  for (i in seq_along(table)) {
    cells <- bs_blank(table[[i]], bs_stated(names(table)[i], names(table), stated))
    table[[i]] <- type.convert(cells, as.is = TRUE, na.strings = character())
  }
  table
}

# Features x samples as numbers; repeated features are averaged.
bs_read_matrix <- function(path) {
  table <- bs_read_table(path)
  table <- table[!is.na(table[[1]]) & !bs_key(table[[1]]) %in% bs_words, , drop = FALSE]
  numeric <- vapply(table, is.numeric, logical(1))
  numeric[1] <- FALSE
  if (!any(numeric)) bs_fail(basename(path), ": no numbers found")
  values <- as.matrix(table[, numeric, drop = FALSE])
  features <- as.character(table[[1]])
  if (anyDuplicated(features)) {
    sums <- rowsum(values, features, na.rm = FALSE)
    values <- sums / as.vector(table(features)[rownames(sums)])
  } else {
    rownames(values) <- features
  }
  values
}

# The sample sheet with the sample ids as row names.
bs_read_samples <- function(task) {
  sheet <- bs_read_table(task$inputs$samples, bs_parameter(task, "missing_values", list()))
  column <- bs_parameter(task, "sample_column", names(sheet)[1])
  if (!column %in% names(sheet)) bs_fail("the sample sheet has no column '", column, "'")
  ids <- as.character(sheet[[column]])
  if (anyDuplicated(ids)) bs_fail("sample '", ids[anyDuplicated(ids)], "' occurs more than once")
  rownames(sheet) <- ids
  sheet
}

# Which of the two groups each sample is in: TRUE for the case, FALSE for the control; others are left out.
bs_two_groups <- function(task, sheet, minimum = 3) {
  column <- bs_need(task, "group_column")
  if (!column %in% names(sheet)) bs_fail("the sample sheet has no column '", column, "'")
  text <- as.character(sheet[[column]])
  plain <- sub("[.]0+$", "", text)
  case <- as.character(bs_need(task, "case"))
  control <- as.character(bs_need(task, "control"))
  is_case <- ifelse(text %in% case | plain %in% case, TRUE, ifelse(text %in% control | plain %in% control, FALSE, NA))
  names(is_case) <- rownames(sheet)
  is_case <- is_case[!is.na(is_case)]
  if (sum(is_case) < minimum || sum(!is_case) < minimum) {
    bs_fail("column '", column, "': ", sum(is_case), " samples with ", case, " and ", sum(!is_case), " with ", control,
            "; at least ", minimum, " each are needed")
  }
  is_case
}

bs_write_table <- function(table, path) {
  write.table(table, path, sep = "\t", quote = FALSE, row.names = FALSE, na = "NA", fileEncoding = "UTF-8")
}

bs_json_string <- function(text) {
  text <- gsub("\\", "\\\\", text, fixed = TRUE)
  text <- gsub("\"", "\\\"", text, fixed = TRUE)
  paste0("\"", gsub("[[:cntrl:]]", " ", text), "\"")
}

bs_json <- function(value) {
  if (is.null(value)) return("null")
  if (is.list(value) && !is.null(names(value))) {
    parts <- mapply(function(n, v) paste0(bs_json_string(n), ": ", bs_json(v)), names(value), value)
    return(paste0("{", paste(parts, collapse = ", "), "}"))
  }
  if (is.list(value) || length(value) != 1) {
    return(paste0("[", paste(vapply(value, bs_json, character(1)), collapse = ", "), "]"))
  }
  if (is.na(value)) return("null")
  if (is.logical(value)) return(if (value) "true" else "false")
  if (is.numeric(value)) return(format(value, digits = 15, scientific = abs(value) > 0 && abs(value) < 1e-4))
  bs_json_string(as.character(value))
}

# Findings: each a list with `statement` and `values`, whose numbers are those that the statement gives. One that answers
# a question has `result`, too: kind, n, and what else `result` in bioskill.py names.
bs_write_findings <- function(findings, path) {
  parts <- vapply(findings, function(f) {
    result <- if (is.null(f$result)) "" else paste0(", \"result\": ", bs_json(f$result))
    paste0("{\"statement\": ", bs_json_string(f$statement), ", \"values\": ", bs_json(f$values), result, "}")
  }, character(1))
  writeLines(paste0("[", paste(parts, collapse = ",\n"), "]"), path, useBytes = TRUE)
}

# The `result` of a finding: its kind, the rows analysed, and named fields as `result` of bioskill.py lists them.
bs_result <- function(task, kind, n, ...) {
  c(list(kind = kind, population = as.character(bs_parameter(task, "dataset_label", "")), n = as.integer(n)), list(...))
}

bs_number <- function(value, digits = 3) format(signif(value, digits), digits = digits, trim = TRUE)

bs_png <- function(path, width = 7, height = 5) {
  png(path, width = width, height = height, units = "in", res = 150, type = "cairo")
}

bs_where <- function(task) {
  label <- bs_parameter(task, "dataset_label", "")
  if (nzchar(label)) paste0("In ", label, ", ") else ""
}
