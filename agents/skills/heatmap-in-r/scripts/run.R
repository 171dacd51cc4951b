# Heat map of the most variable genes with both dendrograms, in base R.

source(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1])), "bioskill.R"))

task <- bs_load_task()
matrix <- bs_read_matrix(task$inputs$matrix)
is_case <- bs_two_groups(task, bs_read_samples(task))
shared <- intersect(colnames(matrix), names(is_case))
if (length(shared) < 6) bs_fail(length(shared), " samples of the groups are in the matrix; at least 6 are needed")
matrix <- matrix[, shared, drop = FALSE]
complete <- matrix[rowSums(is.na(matrix)) == 0, , drop = FALSE]
spread <- apply(complete, 1, var)
count <- min(as.integer(bs_parameter(task, "top_genes", 40)), sum(spread > 0))
if (count < 3) bs_fail("fewer than 3 genes have all values and any variance")
chosen <- order(-spread, rownames(complete))[seq_len(count)]
scores <- t(scale(t(complete[chosen, , drop = FALSE])))

rows <- hclust(as.dist(1 - cor(t(scores))), method = "average")
columns <- hclust(dist(t(scores)), method = "average")
groups <- cutree(columns, k = 2)
shown <- scores[rows$order, columns$order, drop = FALSE]
bs_write_table(data.frame(gene = rownames(shown), shown, check.names = FALSE), task$outputs$table)
sides <- ifelse(is_case[shared], as.character(bs_need(task, "case")), as.character(bs_need(task, "control")))
bs_write_table(data.frame(sample = shared, cluster = groups[shared], group = sides), task$outputs$clusters)

bs_png(task$outputs$figure, width = 8, height = 8)
heatmap(pmin(pmax(scores, -3), 3), Rowv = as.dendrogram(rows), Colv = as.dendrogram(columns), scale = "none",
        col = hcl.colors(64, "Blue-Red 3"), ColSideColors = ifelse(is_case[shared], "#D55E00", "#0072B2"),
        labCol = if (length(shared) > 40) NA else shared, cexRow = 0.6, margins = c(5, 6),
        main = paste0(count, " genes, ", length(shared), " samples"))
invisible(dev.off())

counts <- table(factor(groups[shared], 1:2), factor(is_case[shared], c(TRUE, FALSE)))
p <- fisher.test(counts)$p.value
column <- bs_need(task, "group_column")
statement <- paste0(bs_where(task), "the two sample clusters from the ", count, " most variable genes hold ", counts[1, 1],
  " and ", counts[2, 1], " of ", sum(counts[, 1]), " samples with ", column, " = ", bs_need(task, "case"), " and ",
  counts[1, 2], " and ", counts[2, 2], " of ", sum(counts[, 2]), " with ", column, " = ", bs_need(task, "control"),
  " (Fisher's exact test, p = ", bs_number(p), ").")
values <- list(genes = count, cluster_one_case = counts[1, 1], cluster_two_case = counts[2, 1], n_case = sum(counts[, 1]),
  cluster_one_control = counts[1, 2], cluster_two_control = counts[2, 2], n_control = sum(counts[, 2]),
  p = as.numeric(bs_number(p)), case = as.character(bs_need(task, "case")),
  control = as.character(bs_need(task, "control")))
found <- bs_result(task, "structure", length(shared), measure = "features", p = p, test = "hierarchical clustering",
  groups = setNames(list(sum(counts[, 1]), sum(counts[, 2])), c(values$case, values$control)),
  contrast = list(column = column, case = values$case, control = values$control))
bs_write_findings(list(list(statement = statement, values = values, result = found)), task$outputs$findings)
