package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
)

// client talks to the C program: a line in, a line out.
type client struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startClient(program string) (*client, error) {
	cmd := exec.Command(program)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &client{in, bufio.NewReaderSize(out, 1<<20)}, cmd.Start()
}

// ask sends `question` as JSON and decodes the answer into `reply`.
func (c *client) ask(question, reply any) error {
	line, err := json.Marshal(question)
	if err != nil {
		return err
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return err
	}
	text, err := c.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(text, reply)
}
