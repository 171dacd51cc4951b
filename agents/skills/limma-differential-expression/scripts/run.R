# Moderated t tests of every gene between two groups (limma), Benjamini-Hochberg, volcano plot.

source(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1])), "bioskill.R"))
library(limma)

task <- bs_load_task()
matrix <- bs_read_matrix(task$inputs$matrix)
is_case <- bs_two_groups(task, bs_read_samples(task))
shared <- intersect(colnames(matrix), names(is_case))
is_case <- is_case[shared]
if (sum(is_case) < 3 || sum(!is_case) < 3) bs_fail("fewer than 3 samples of a group are in the matrix")
matrix <- matrix[, shared, drop = FALSE]
n_case <- rowSums(!is.na(matrix[, is_case, drop = FALSE]))
n_control <- rowSums(!is.na(matrix[, !is_case, drop = FALSE]))
spread <- apply(matrix, 1, var, na.rm = TRUE)
usable <- n_case >= 3 & n_control >= 3 & !is.na(spread) & spread > 0
if (sum(usable) < 2) bs_fail("fewer than 2 genes have at least 3 values in each group and any variance")

design <- cbind(control = as.numeric(!is_case), case = as.numeric(is_case))
fit <- lmFit(matrix[usable, , drop = FALSE], design)
fit <- eBayes(contrasts.fit(fit, c(-1, 1)))
result <- data.frame(
  gene = rownames(matrix)[usable],
  mean_case = rowMeans(matrix[usable, is_case, drop = FALSE], na.rm = TRUE),
  mean_control = rowMeans(matrix[usable, !is_case, drop = FALSE], na.rm = TRUE),
  difference = fit$coefficients[, 1],
  t = fit$t[, 1],
  p = fit$p.value[, 1],
  fdr = p.adjust(fit$p.value[, 1], method = "BH"),
  n_case = n_case[usable],
  n_control = n_control[usable]
)
result <- result[order(result$p, result$gene), ]
bs_write_table(result, task$outputs$table)

threshold <- as.numeric(bs_parameter(task, "fdr", 0.05))
called <- result$fdr < threshold
column <- bs_need(task, "group_column")
names <- paste0(column, " = ", c(bs_need(task, "case"), bs_need(task, "control")))
bs_png(task$outputs$figure)
plot(result$difference, -log10(pmax(result$p, 1e-300)), pch = 16, cex = 0.5,
     col = ifelse(!called, "#9A9A9A", ifelse(result$difference > 0, "#D55E00", "#0072B2")),
     xlab = paste0("mean difference: ", names[1], " minus ", names[2]), ylab = "-log10 p (moderated t test)",
     main = paste0(nrow(result), " genes; ", sum(called), " at FDR < ", threshold))
top <- head(which(called), 10)
if (length(top)) {
  text(result$difference[top], -log10(pmax(result$p[top], 1e-300)), result$gene[top], cex = 0.6, pos = 3, xpd = NA)
}
invisible(dev.off())

up <- sum(called & result$difference > 0)
down <- sum(called & result$difference < 0)
statement <- paste0(bs_where(task), sum(called), " of ", nrow(result), " tested genes differ between ", names[1], " (n = ",
  sum(is_case), ") and ", names[2], " (n = ", sum(!is_case), ") at FDR < ", threshold,
  " (moderated t test of limma, Benjamini-Hochberg): ", up, " are higher and ", down, " lower in ", names[1], ".")
values <- list(significant = sum(called), tested = nrow(result), n_case = sum(is_case), n_control = sum(!is_case),
  fdr_threshold = threshold, higher_in_case = up, lower_in_case = down, case = as.character(bs_need(task, "case")),
  control = as.character(bs_need(task, "control")), prior_df = fit$df.prior[1])
groups <- setNames(list(sum(is_case), sum(!is_case)), c(values$case, values$control))
found <- bs_result(task, "difference", length(is_case), measure = "features", groups = groups,
  contrast = list(column = column, case = values$case, control = values$control), fdr = threshold, tested = nrow(result),
  called = sum(called), higher = up, lower = down, test = "moderated t test")
bs_write_findings(list(list(statement = statement, values = values, result = found)), task$outputs$findings)
