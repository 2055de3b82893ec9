"""A job's report as one page that stands alone: `report.json` comes in, `report.html` goes out."""
