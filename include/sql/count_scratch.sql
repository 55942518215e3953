SELECT count(*) FROM {scratch}
