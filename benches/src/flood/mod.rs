//! The flood broker: one MQTT broker, one subscriber, as many messages as that subscriber's window lets through.
//!
//! It runs as a process of its own (`bench flood`). Commands come by line on standard input, events leave by line, as
//! JSON, on standard output:
//!
//! | line | means |
//! |---|---|
//! | `run N [RATE]` | send N messages, as fast as the window allows or RATE a second (open loop) |
//! | `{"event":"listening","port":…}` | ready for the subscriber |
//! | `{"event":"subscribed","filters":…,"window":…}` | the subscriber has asked for something |
//! | `{"event":"done",…}` | a run is over: everything acknowledged |
//! | `{"event":"failed","error":…}` | a run broke off |
//!
//! It echoes the identifiers of the matching subscriptions as an MQTT 5 broker does, sends one copy of a message however
//! many subscriptions match, keeps no session, and rejects nothing. An acknowledgement out of order is counted.

mod blast;
mod flight;
mod session;
mod subscriptions;

use crate::failure::{Context, Failure, Tried};
use crate::traffic::Topics;
use blast::Order;
use serde_json::{Value, json};
use session::Session;
use std::io::BufRead;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

/// How the broker behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Where to listen; 0 lets the system choose.
    pub port: u16,
    /// The broker's own limit of messages in flight; an MQTT 5 client may ask for less, a 3.1.1 client cannot.
    pub in_flight_max: u16,
    /// Level of the published messages.
    pub qos: u8,
    /// Topics to publish on, in turn.
    pub topics: Topics,
    /// Length of every payload.
    pub payload_bytes: usize,
}

/// Serves one subscriber after the other until standard input ends.
///
/// # Errors
/// When the port cannot be had.
pub fn serve(options: Options) -> Tried<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).context("listen for the bridge")?;
    let orders = orders_from_stdin();
    let port = listener.local_addr()?.port();
    tell(&json!({"event": "listening", "port": port}));
    loop {
        let (socket, _) = listener.accept()?;
        let gone = Session::new(socket, options).map_err(Failure::from).and_then(|session| attend(session, &orders));
        if let Err(failure) = gone {
            tell(&json!({"event": "lost", "error": failure.to_string()}));
        }
    }
}

/// Looks after one subscriber until it leaves.
fn attend(mut session: Session, orders: &Receiver<Order>) -> Tried<()> {
    let idle = Duration::from_millis(5);
    loop {
        match orders.try_recv() {
            Ok(order) => match session.blast(order) {
                Ok(outcome) => tell(&outcome.to_json()),
                Err(error) => {
                    tell(&json!({"event": "failed", "error": error.to_string()}));
                    return Err(error.into());
                }
            },
            Err(TryRecvError::Empty) => session.turn(idle)?,
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        if let Some(news) = session.take_news() {
            tell(&json!({"event": "subscribed", "filters": news.filters, "window": news.window}));
        }
    }
}

/// Reads orders in a thread of its own; the end of standard input ends the process.
fn orders_from_stdin() -> Receiver<Order> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match Order::parse(&line) {
                Some(order) if sender.send(order).is_ok() => {}
                Some(_) => break,
                None => tell(&json!({"event": "failed", "error": format!("unknown order `{line}`")})),
            }
        }
        std::process::exit(0);
    });
    receiver
}

fn tell(event: &Value) {
    println!("{event}");
}
