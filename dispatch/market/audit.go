package market

import "github.com/hexfleet/hexfleet/dispatch"

// standing tells how the order of a staff command stands before it is judged; zero for everybody else's, for a new
// order, and for one that the command does not find or may not see.
func (c *Core) standing(cmd *dispatch.Command, known *Known) dispatch.Standing {
	if !cmd.By.Staff() || cmd.Op == dispatch.OpCreate {
		return dispatch.Standing{}
	}
	o, refusal := c.order(cmd, known)
	if refusal != nil {
		return dispatch.Standing{}
	}
	return dispatch.StandingOf(o)
}

// audit puts a staff act on record, done or refused, in the same batch as what it changed. An act on an order that
// is not there, or not the asker's to see, changed nothing here: the edge that told so records that access.
func (c *Core) audit(cmd *dispatch.Command, before dispatch.Standing, r *dispatch.Reply) {
	if !cmd.By.Staff() || (cmd.Op != dispatch.OpCreate && before.Version == 0) {
		return
	}
	e := dispatch.AuditEntry{
		Actor: dispatch.By{Role: cmd.By.Role, Sub: cmd.By.Sub}, Action: string(cmd.Op), Object: "order:" + string(cmd.Order),
		Before: before, After: before, RequestID: cmd.RequestID,
	}
	if r.Err != nil {
		e.Outcome = r.Err.Code
	} else {
		e.After = dispatch.StandingOf(r.Order)
	}
	c.out.Audit = append(c.out.Audit, e)
}
