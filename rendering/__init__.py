"""Rooms rendered with Mitsuba 3: photos with exact depth, to learn from where no camera was.

The road inside: shapes and textures -> furniture -> rooms -> camera -> photo -> render -> sample.
"""
