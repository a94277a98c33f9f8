// Package geo says where things are: places in degrees, distances on the ground, areas and zones of the map, and the
// H3 index that finds the nearest drivers. It knows no orders and judges nobody.
//
// It owns no state but what an Index holds, whose locks are the Index's own. It may import h3-go (cell.go is
// the only file that does) and orb, and nothing of ours.
package geo
