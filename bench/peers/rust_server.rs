//! What one would write in Rust today with the standard library alone: the same protocol, to be measured
//! beside runwired.
//!
//! Any number of clients, a thread each, their commands side by side; Command::output() reads the two pipes
//! side by side; one write per reply, with TCP_NODELAY. SIGTERM ends it as it ends any program.
//!
//! It runs whatever it is sent: for loopback, and for measuring only.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::{env, thread};

fn run(command: &[u8]) -> io::Result<Vec<u8>> {
    let done = Command::new("/bin/sh")
        .arg("-c")
        .arg(OsStr::from_bytes(command))
        .stdin(Stdio::null())
        .output()?;
    Ok(frame(&done.stdout, &done.stderr))
}

fn frame(stdout: &[u8], stderr: &[u8]) -> Vec<u8> {
    let size = stdout.len() + stderr.len();
    let header = format!(r#"{{"filename":"cls.txt","len":{size}}}"#);
    let mut reply = Vec::with_capacity(4 + header.len() + size);
    reply.extend_from_slice(&(header.len() as i32).to_le_bytes());
    reply.extend_from_slice(header.as_bytes());
    reply.extend_from_slice(stdout);
    reply.extend_from_slice(stderr);
    reply
}

fn serve(mut client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut buffer = vec![0; 65536];
    loop {
        let size = client.read(&mut buffer)?;
        if size == 0 {
            return Ok(()); // this client has gone
        }
        client.write_all(&run(&buffer[..size])?)?;
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or_else(|| "0".to_string());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    println!("listening on {}", listener.local_addr()?);
    for client in listener.incoming() {
        let client = client?;
        thread::Builder::new().spawn(move || {
            if let Err(error) = serve(client) {
                eprintln!("{error}");
            }
        })?;
    }
    Ok(())
}
