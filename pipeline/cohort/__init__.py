"""From a folder of radiographs to uint8 shards, tables and splits."""
