"""What every trainer must do, held against one: it is started, disturbed and listened to."""
