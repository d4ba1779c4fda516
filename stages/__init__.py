"""One file, one stage, one verb: read dependencies, call `pipeline`, write outputs."""
