"""Stage 2: turn raw items into one CSV row per user, and keep every rejected item (contract §2-§4)."""
