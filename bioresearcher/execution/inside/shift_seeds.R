# Stands before the script of a rerun: sees numbers being drawn after a seed was fixed, and shifts seeds when asked (see
# shift_seeds.py, which does the same for Python).
invisible(local({
  shift <- as.integer(Sys.getenv("SEED_SHIFT", "0"))
  note <- file.path(getwd(), "seeds-were-fixed")
  state <- new.env()
  fixed <- base::set.seed
  current <- function() get0(".Random.seed", envir = globalenv(), inherits = FALSE)
  shifted <- function(seed, ...) {
    if (is.null(seed)) return(invisible(fixed(seed, ...)))
    if (!is.null(state$after) && !identical(state$after, current())) state$drawn <- TRUE
    seed <- suppressWarnings(as.numeric(seed))
    fixed(if (shift != 0) as.integer((seed + 104729 * shift) %% 2147483647) else seed, ...)
    state$after <- current()
    invisible(NULL)
  }
  unlockBinding("set.seed", baseenv())
  assign("set.seed", shifted, envir = baseenv())
  lockBinding("set.seed", baseenv())
  reg.finalizer(state, function(state) {
    if (isTRUE(state$drawn) || (!is.null(state$after) && !identical(state$after, current()))) file.create(note)
  }, onexit = TRUE)
}))
