//! What a driver and those who ask it share.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::SocketError;
use crate::socket::{Event, InterfaceKey, Link, Socket};

/// Events waiting beyond which the oldest ones go.
const MANY: usize = 1024;

/// A socket that is driven. Each holds the lock for calls that do not wait. No waker is cloned, woken or dropped
/// meanwhile: that is code of others, which may come back here.
#[derive(Debug)]
pub(super) struct Shared(Mutex<State>);

#[derive(Debug)]
pub(super) struct State {
    /// None when the driver has ended.
    socket: Option<Socket>,
    /// Links that nobody has taken yet, the last one of each interface.
    links: HashMap<InterfaceKey, Link>,
    /// Their order.
    order: VecDeque<InterfaceKey>,
    events: VecDeque<Event>,
    /// Who takes links, and who takes events.
    controls: usize,
    listeners: usize,
    driver: Option<Waker>,
    waiters: BTreeMap<u64, Waker>,
    next: u64,
}

impl Shared {
    pub(super) fn new(socket: Socket) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            socket: Some(socket),
            links: HashMap::new(),
            order: VecDeque::new(),
            events: VecDeque::new(),
            controls: 0,
            listeners: 0,
            driver: None,
            waiters: BTreeMap::new(),
            next: 0,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the socket.
    pub(super) fn with<T>(&self, action: impl FnOnce(&mut Socket) -> Result<T, SocketError>) -> Result<T, SocketError> {
        action(self.lock().socket()?)
    }

    /// Looks for something under the lock. Where nothing is found, the task is woken when something changes; `number`
    /// is that of the one who waits, and [`Waiting`] ends it.
    pub(super) fn look<T>(
        &self,
        number: &mut Option<u64>,
        cx: &Context<'_>,
        look: impl FnOnce(&mut State) -> Option<T>,
    ) -> Poll<T> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let (found, unwanted) = match look(&mut state) {
            Some(found) => (Poll::Ready(found), Some(waker)),
            None => (Poll::Pending, state.wait(number, waker)),
        };
        drop(state);
        drop(unwanted);
        found
    }

    /// As [`State::let_go`], for the driver, which is woken when the last of those goes.
    pub(super) fn is_let_go(&self, cx: &Context<'_>) -> bool {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let before = state.driver.replace(waker);
        let gone = state.let_go();
        drop(state);
        drop(before);
        gone
    }

    /// Wakes all who wait: for links, events or the end.
    pub(super) fn wake_waiters(&self) {
        let waiters = std::mem::take(&mut self.lock().waiters);
        waiters.into_values().for_each(Waker::wake);
    }

    /// A link that was taken and not given is there again, for whoever waits, unless its interface has gone or has the
    /// next one.
    pub(super) fn put_back(&self, key: InterfaceKey, link: Link) {
        let mut state = self.lock();
        let is_wanted = state.socket().is_ok_and(|socket| socket.check_interface(key).is_ok());
        let unwanted = if is_wanted && !state.links.contains_key(&key) {
            state.put_link(key, link);
            None
        } else {
            Some(link)
        };
        drop(state);
        drop(unwanted);
        self.wake_waiters();
    }

    /// The driver has ended: links go down, and all who wait hear of it.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        let ended = (state.socket.take(), std::mem::take(&mut state.links), state.driver.take());
        drop(state);
        drop(ended);
        self.wake_waiters();
    }

    /// One more who takes links.
    pub(super) fn add_control(&self) {
        self.lock().controls += 1;
    }

    /// One less.
    pub(super) fn remove_control(&self) {
        let mut state = self.lock();
        state.controls -= 1;
        let driver = if state.controls == 0 { state.driver.take() } else { None };
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// One more who takes events.
    pub(super) fn add_listener(&self) {
        self.lock().listeners += 1;
    }

    /// One less.
    pub(super) fn remove_listener(&self) {
        let mut state = self.lock();
        state.listeners -= 1;
        let unwanted = if state.listeners == 0 { std::mem::take(&mut state.events) } else { VecDeque::new() };
        drop(state);
        drop(unwanted);
    }
}

impl State {
    pub(super) fn socket(&mut self) -> Result<&mut Socket, SocketError> {
        self.socket.as_mut().ok_or(SocketError::DriverEnded)
    }

    /// Whether a link of that interface, or of any, may come.
    pub(super) fn check(&mut self, key: Option<InterfaceKey>) -> Result<(), SocketError> {
        let socket = self.socket()?;
        key.map_or(Ok(()), |key| socket.check_interface(key))
    }

    /// Where nobody is there any more who takes links: interfaces without one go. Returns whether that is all.
    pub(super) fn let_go(&mut self) -> bool {
        if self.controls > 0 {
            return false;
        }
        self.links.clear();
        self.order.clear();
        let Some(socket) = &mut self.socket else { return true };
        for key in socket.interfaces() {
            if socket.details(key).is_ok_and(|details| !details.link_up) {
                let _ = socket.remove_interface(key);
            }
        }
        socket.interfaces().is_empty()
    }

    /// Something happened.
    pub(super) fn add(&mut self, event: Event) {
        if let Event::Connected { interface, link } = event {
            self.put_link(interface, link);
            return;
        }
        if self.listeners == 0 {
            return;
        }
        if self.events.len() >= MANY {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// A link that can be taken.
    pub(super) fn put_link(&mut self, key: InterfaceKey, link: Link) {
        if self.links.insert(key, link).is_none() {
            self.order.push_back(key);
        }
    }

    /// The link of an interface, or the oldest one.
    pub(super) fn take_link(&mut self, key: Option<InterfaceKey>) -> Option<(InterfaceKey, Link)> {
        let key = key.or_else(|| self.order.front().copied())?;
        let link = self.links.remove(&key)?;
        self.order.retain(|other| *other != key);
        Some((key, link))
    }

    pub(super) fn take_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns the waker of before.
    #[must_use = "it is not to be dropped under the lock"]
    fn wait(&mut self, number: &mut Option<u64>, waker: Waker) -> Option<Waker> {
        let number = *number.get_or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.waiters.insert(number, waker)
    }
}

/// One who waits for something of a driver, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting<'s> {
    shared: &'s Shared,
    number: Option<u64>,
}

impl<'s> Waiting<'s> {
    pub(super) fn new(shared: &'s Shared) -> Self {
        Self::of(shared, None)
    }

    /// One who may wait under that number.
    pub(super) fn of(shared: &'s Shared, number: Option<u64>) -> Self {
        Self { shared, number }
    }

    /// As [`Shared::look`].
    pub(super) fn look<T>(&mut self, cx: &Context<'_>, look: impl FnOnce(&mut State) -> Option<T>) -> Poll<T> {
        self.shared.look(&mut self.number, cx, look)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.shared.lock().waiters.remove(&number);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    use super::*;
    use crate::config::InterfaceConfig;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_link_that_was_not_given_is_there_for_whoever_waits() {
        let mut socket = Socket::builder(format!("@memif-put-back-{}", std::process::id())).open().unwrap();
        let master = socket.add_interface(InterfaceConfig::master(0)).unwrap();
        let slave = socket.add_interface(InterfaceConfig::slave(0)).unwrap();
        let (one, two) = (
            socket.wait_connected(master, Duration::from_secs(20)).unwrap(),
            socket.wait_connected(slave, Duration::from_secs(20)).unwrap(),
        );
        let shared = Shared::new(socket);
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let wait = || {
            let waker = Waker::from(Arc::clone(&count));
            assert!(shared.look(&mut None, &Context::from_waker(&waker), |_| None::<()>).is_pending());
        };
        let woken = || count.0.swap(0, Ordering::Relaxed);
        wait();
        shared.put_back(master, one);
        assert_eq!(woken(), 1);
        // What came meanwhile is the newer one.
        shared.put_back(master, two);
        let (key, link) = shared.lock().take_link(None).unwrap();
        assert!(key == master && link.rx[0].is_connected());
        shared.with(|socket| socket.remove_interface(master)).unwrap();
        wait();
        shared.put_back(master, link);
        assert!(shared.lock().take_link(None).is_none());
        assert_eq!(woken(), 1);
    }
}
