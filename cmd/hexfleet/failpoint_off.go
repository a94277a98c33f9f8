//go:build !failpoint

package main

import (
	"github.com/hexfleet/hexfleet/dispatch/node"
	"github.com/hexfleet/hexfleet/gateway"
)

// This build holds no failpoint: see failpoint_on.go for the one that the crash tests make.

func failStore(s node.Store) node.Store { return s }

func failOrders(o gateway.Orders) gateway.Orders { return o }
