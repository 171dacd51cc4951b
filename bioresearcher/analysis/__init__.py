"""Questions of an objective bound to data, and the analysis sets on which they are answered."""
