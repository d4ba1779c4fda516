"""A cohort as people have it: tables, lists, boxes, images and archives to the cache."""
