package match

// Greedy gives each order in turn, in row order, its nearest driver who is still free and costs less than
// the order's penalty. It is the baseline, and what a market of mode nearest does.
func Greedy(p *Problem) Assignment {
	taken := make([]bool, p.Drivers)
	a := make(Assignment, len(p.Rows))
	for i, row := range p.Rows {
		a[i] = Unmatched
		for _, e := range row {
			if int64(e.Cost) >= p.Penalty[i] {
				break
			}
			if !taken[e.Driver] {
				taken[e.Driver] = true
				a[i] = e.Driver
				break
			}
		}
	}
	return a
}
