"""Files of predictions and of what evaluation makes of them."""
