"""Tables of cohorts that are not NIH's."""
