"""What a run gives away: crates, pages, manuscripts, registered plans and protocols for other programs."""
