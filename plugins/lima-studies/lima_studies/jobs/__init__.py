"""Jobs of a grid: what an arm is, how models are trained and held, processes side by side, the record of what is done."""
