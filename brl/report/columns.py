"""The columns of the tables of results, and their headings."""

COLUMNS = {
    "top1": "top-1",
    "mean_class": "mean class",
    "many": "many-shot",
    "medium": "medium-shot",
    "few": "few-shot",
}
