"""Stage 2: turn raw items into one CSV row per user, and keep every rejected item (contract §2-§4)."""

from cat_normalize.normalize.files import normalize_files
from cat_normalize.normalize.publish import publish_outputs, refuse_all_rejected, refuse_shrunk
from cat_normalize.normalize.rows import normalize

__all__ = ["normalize", "normalize_files", "publish_outputs", "refuse_all_rejected", "refuse_shrunk"]
