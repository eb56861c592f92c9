// A page read from the file system may not read another one: the search then lists titles without their excerpts.
if (window.location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
