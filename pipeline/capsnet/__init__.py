"""A CapsNet and its autoencoder, from which a cascade starts."""
