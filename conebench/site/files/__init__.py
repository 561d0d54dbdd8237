"""Files of the site: finding records, writing pages, reusing earlier ones."""
