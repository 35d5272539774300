// Package hardware is the silicon of a fake node: its GPUs and their MIG instances.  It is kept in
// an annotation of the Node, where it outlives the programs that look at it, as real hardware does.
package hardware

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"slicewright.io/testbed/internal/gpu"
)

// Annotation holds a Node as JSON.
const Annotation = "fake.slicewright.io/hardware"

// Node is all GPUs of one node, all of one model.
type Node struct {
	Model  string `json:"model"`
	Driver string `json:"driver"`
	GPUs   []GPU  `json:"gpus"`
}

// GPU is one device.
type GPU struct {
	UUID      string     `json:"uuid"`
	MIG       bool       `json:"mig,omitempty"` // MIG mode
	Instances []Instance `json:"instances,omitempty"`
}

// Instance is a GPU instance with one compute instance that fills it.
type Instance struct {
	Profile string `json:"profile"`
	ID      int    `json:"id"` // of the GPU instance
	Start   int    `json:"start"`
	UUID    string `json:"uuid"`
}

// New makes a node's GPUs; their UUIDs follow from the node's name.
func New(node string, model *gpu.Model, count int, driver string) *Node {
	h := &Node{Model: model.Key, Driver: driver}
	for i := range count {
		h.GPUs = append(h.GPUs, GPU{UUID: uuid("GPU", node, fmt.Sprint(i))})
	}
	return h
}

// InstanceUUID names a MIG instance: a new one each time one is made, so that nobody mistakes it
// for the one that was there before.
func InstanceUUID(parent string, id, generation int) string {
	return uuid("MIG", parent, fmt.Sprint(id), fmt.Sprint(generation))
}

func uuid(prefix string, parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	b := h.Sum(nil)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4, variant 1
	return fmt.Sprintf("%s-%x-%x-%x-%x-%x", prefix, b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// Parse reads the annotation's text.
func Parse(text string) (*Node, error) {
	h := &Node{}
	if err := json.Unmarshal([]byte(text), h); err != nil {
		return nil, fmt.Errorf("annotation %s: %w", Annotation, err)
	}
	return h, nil
}
