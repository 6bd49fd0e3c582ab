"""Broken media: images, sounds and texts that cannot be what they should be."""

from jointset.audit.media.images import broken_images
from jointset.audit.media.sounds import broken_sounds
from jointset.audit.media.texts import broken_texts

BROKEN = {"image": broken_images, "audio": broken_sounds, "text": broken_texts}

__all__ = ["BROKEN", "broken_images", "broken_sounds", "broken_texts"]
