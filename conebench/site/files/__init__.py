"""Files of the site: found, written, or kept from earlier."""
