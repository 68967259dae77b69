// What one would write in Go today: the same protocol, to be measured beside runwired.
//
// Any number of clients, a goroutine each, their commands side by side; os/exec reads the two pipes side by
// side; one write per reply, with TCP_NODELAY (Go's default). SIGTERM ends it as it ends any program.
//
// It runs whatever it is sent: for loopback, and for measuring only.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
)

type header struct {
	Filename string `json:"filename"`
	Len      int    `json:"len"`
}

func run(command string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	shell := exec.Command("/bin/sh", "-c", command)
	shell.Stdout, shell.Stderr = &stdout, &stderr
	var failed *exec.ExitError // any exit status is fine: it is not in the reply
	if err := shell.Run(); err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	return frame(stdout.Bytes(), stderr.Bytes())
}

func frame(stdout, stderr []byte) ([]byte, error) {
	text, err := json.Marshal(header{"cls.txt", len(stdout) + len(stderr)})
	if err != nil {
		return nil, err
	}
	reply := make([]byte, 4, 4+len(text)+len(stdout)+len(stderr))
	binary.LittleEndian.PutUint32(reply, uint32(len(text)))
	reply = append(reply, text...)
	reply = append(reply, stdout...)
	return append(reply, stderr...), nil
}

func serve(client net.Conn) {
	defer client.Close()
	buffer := make([]byte, 65536)
	for {
		size, err := client.Read(buffer)
		if err != nil {
			return // this client has gone
		}
		reply, err := run(string(buffer[:size]))
		if err != nil {
			log.Print(err)
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

func main() {
	port := "0"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(client)
	}
}
