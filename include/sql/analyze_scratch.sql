ANALYZE {scratch}
