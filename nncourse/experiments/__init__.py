"""One experiment for each claim of the article: a function that measures, a table, a record of how it was made."""
