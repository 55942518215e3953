SELECT key FROM {scratch}
