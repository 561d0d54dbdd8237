"""Files of the site: finding records, writing their files, reusing earlier ones."""
