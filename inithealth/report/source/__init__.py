"""The source files of a model: where its layers are built, and the fixes of a report as edits of them."""
