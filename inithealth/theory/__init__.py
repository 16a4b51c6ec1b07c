"""What initialization theory says, without any network at hand: activations, gains, mean field, named schemes."""
