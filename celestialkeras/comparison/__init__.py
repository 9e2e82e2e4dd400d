"""Networks side by side: trained alike, judged on the same frames, one table."""
