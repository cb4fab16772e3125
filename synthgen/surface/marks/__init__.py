"""What lies on a surface beside stains: fingerprints, stickers, and scratches, dents and bumps that bend it."""
