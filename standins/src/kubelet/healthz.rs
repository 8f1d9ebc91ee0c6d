//! `http://127.0.0.1:10248/healthz`

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::knobs::{Healthz, Knobs};

/// Answers until the process ends.
pub(crate) fn serve(listener: &TcpListener, knobs: &Knobs) {
    for stream in listener.incoming().flatten() {
        let (mode, exit_code) = (knobs.healthz, knobs.exit_code);
        std::thread::spawn(move || answer(stream, mode, exit_code));
    }
}

fn answer(mut stream: TcpStream, mode: Healthz, exit_code: i32) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut head = Vec::new();
    let mut part = [0; 4096];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(n @ 1..) => head.extend(&part[..n]),
            _ => return,
        }
    }
    let path = String::from_utf8_lossy(&head)
        .split(' ')
        .nth(1)
        .unwrap_or("")
        .to_owned();
    let (status, body) = match mode {
        _ if !path.starts_with("/healthz") => ("404 Not Found", "404 page not found\n"),
        Healthz::Error => (
            "500 Internal Server Error",
            "[+]ping ok\n[-]syncloop failed: sync Loop took longer than expected\nhealthz check failed\n",
        ),
        Healthz::Hang => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        _ => ("200 OK", "ok"),
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nDate: {}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}",
        crate::clock::http_date(),
    );
    let _ = stream.write_all(answer.as_bytes());
    if mode == Healthz::OkThenExit {
        std::process::exit(exit_code);
    }
}
