# Kaplan-Meier curves of two groups, log-rank test and a Cox model, with R's survival package.

source(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1])), "bioskill.R"))
library(survival)

task <- bs_load_task()
sheet <- bs_read_samples(task)
is_case <- bs_two_groups(task, sheet, minimum = 5)
for (wanted in c(bs_need(task, "time_column"), bs_need(task, "event_column"))) {
  if (!wanted %in% names(sheet)) bs_fail("the sample sheet has no column '", wanted, "'")
}
time <- suppressWarnings(as.numeric(sheet[names(is_case), bs_need(task, "time_column")]))
event <- suppressWarnings(as.numeric(sheet[names(is_case), bs_need(task, "event_column")]))
known <- !is.na(time) & !is.na(event)
if (any(time[known] < 0)) bs_fail("there are negative times")
if (!all(event[known] %in% c(0, 1))) bs_fail("column '", bs_need(task, "event_column"), "' must hold 0 and 1 only")
case <- as.numeric(is_case)[known]
time <- time[known]
event <- event[known]
if (sum(event) < 5) bs_fail(sum(event), " events; at least 5 are needed")
if (min(table(factor(case, 0:1))) < 5) bs_fail("fewer than 5 samples of a group have time and event")
if (min(tapply(event, case, sum)) < 1) bs_fail("a group has no event: no hazard ratio can be estimated")

strata_column <- bs_parameter(task, "strata_column", "")
stratified <- nzchar(strata_column)
idle <- ""
if (stratified) {
  if (!strata_column %in% names(sheet)) bs_fail("the sample sheet has no column '", strata_column, "'")
  stratum <- as.character(sheet[names(is_case), strata_column])[known]
  if (anyNA(stratum)) {
    cat(sum(is.na(stratum)), " samples without a value of '", strata_column, "' are left out\n", sep = "")
  }
  sizes <- table(stratum)
  lost <- names(sizes)[sizes < 2 | tapply(event, stratum, sum)[names(sizes)] < 1]
  counts <- paste0(lost, " (", sizes[lost], ", ", tapply(event, stratum, sum)[lost], " events)")
  if (length(lost)) idle <- paste(counts, collapse = "; ")
  kept <- !is.na(stratum) & !stratum %in% lost
  time <- time[kept]
  event <- event[kept]
  case <- case[kept]
  stratum <- stratum[kept]
  if (length(unique(case)) < 2 || min(tapply(event, case, sum)) < 1) {
    bs_fail("within the strata of '", strata_column, "' that hold an event, a group has no event")
  }
}
surv <- Surv(time, event)
curves <- survfit(surv ~ case)
logrank <- if (stratified) survdiff(surv ~ case + strata(stratum)) else survdiff(surv ~ case)
p_logrank <- pchisq(logrank$chisq, 1, lower.tail = FALSE)
cox <- if (stratified) coxph(surv ~ case + strata(stratum)) else coxph(surv ~ case)
ratio <- summary(cox)$conf.int[1, ]
p_cox <- summary(cox)$coefficients[1, "Pr(>|z|)"]
p_ph <- cox.zph(cox)$table["case", "p"]

column <- bs_need(task, "group_column")
labels <- paste0(column, " = ", c(bs_need(task, "control"), bs_need(task, "case")))
medians <- summary(curves)$table
groups <- data.frame(group = labels, n = medians[, "records"], events = medians[, "events"],
                     median_time = medians[, "median"], median_low = medians[, "0.95LCL"],
                     median_high = medians[, "0.95UCL"], logrank_p = p_logrank)
bs_write_table(groups, task$outputs$groups)
bs_write_table(data.frame(term = paste(labels[2], "against", labels[1]), hazard_ratio = ratio["exp(coef)"],
                          low = ratio["lower .95"], high = ratio["upper .95"], p = p_cox, n = length(time),
                          events = sum(event), ph_p = p_ph), task$outputs$model)

bs_png(task$outputs$figure)
unit <- bs_parameter(task, "time_unit", "")
plot(curves, col = c("#0072B2", "#D55E00"), lwd = 2, mark.time = TRUE, ylab = "share without event",
     xlab = paste0(bs_need(task, "time_column"), if (nzchar(unit)) paste0(" (", unit, ")") else " (unit not stated)"))
legend("bottomleft", paste0(labels, " (n = ", groups$n, ", ", groups$events, " events)"), bty = "n",
       col = c("#0072B2", "#D55E00"), lwd = 2)
invisible(dev.off())

shown <- c(ratio["exp(coef)"], ratio["lower .95"], ratio["upper .95"], p_cox, p_logrank, p_ph)
text <- vapply(shown, bs_number, character(1))
statement <- paste0(bs_where(task), labels[2], " against ", labels[1], if (stratified) paste0(", stratified by ", strata_column, ",") else "",
  " has hazard ratio ", text[1], " (95 % CI ", text[2],
  " to ", text[3], ", p = ", text[4], "; n = ", length(time), ", ", sum(event), " events; log-rank p = ", text[5],
  "; test of proportional hazards p = ", text[6], ").",
  if (nzchar(idle)) paste0(" Left out, because one sample or no event tells nothing: ", idle, ".") else "",
  if (p_ph < 0.05) " The hazards do not look proportional: the ratio is an average over time." else "")
values <- list(hazard_ratio = as.numeric(text[1]), ci_low = as.numeric(text[2]), ci_high = as.numeric(text[3]),
  confidence_percent = 95, p = as.numeric(text[4]), n = length(time), events = sum(event),
  logrank_p = as.numeric(text[5]), ph_p = as.numeric(text[6]), case = as.character(bs_need(task, "case")),
  control = as.character(bs_need(task, "control")),
  stratified_by = if (stratified) strata_column else NULL, idle_strata = if (nzchar(idle)) idle else NULL)
groups <- setNames(list(sum(case == 1), sum(case == 0)), c(values$case, values$control))
group_events <- setNames(list(sum(event[case == 1]), sum(event[case == 0])), c(values$case, values$control))
found <- bs_result(task, "time to event", length(time), time_column = bs_need(task, "time_column"),
  event_column = bs_need(task, "event_column"), events = sum(event), groups = groups, group_events = group_events,
  contrast = list(column = column, case = values$case, control = values$control), effect = "hazard ratio",
  estimate = unname(ratio["exp(coef)"]), low = unname(ratio["lower .95"]), high = unname(ratio["upper .95"]), p = p_cox,
  test = "cox regression")
bs_write_findings(list(list(statement = statement, values = values, result = found)), task$outputs$findings)
