//! iceoryx2: one publish and subscribe service each way, with as many samples as a ring has slots.

use std::time::{Duration, Instant};

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::PortFactory as _;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;

use super::rust::text;
use super::{Got, Port, Result};
use crate::job::{Job, Role};

type Service = PortFactory<ipc::Service, [u8], ()>;

pub(crate) struct Iceoryx {
    publisher: Publisher<ipc::Service, [u8], ()>,
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    _services: [Service; 2],
    _node: Node<ipc::Service>,
}

impl Iceoryx {
    pub(crate) fn open(job: &Job) -> Result<Self> {
        set_log_level(LogLevel::Fatal);
        let node = NodeBuilder::new().create::<ipc::Service>().map_err(text)?;
        let service = |way: &str| -> Result<Service> {
            let name = format!("{}/{way}", job.place.display());
            node.service_builder(&ServiceName::new(&name).map_err(text)?)
                .publish_subscribe::<[u8]>()
                .max_publishers(1)
                .max_subscribers(1)
                .enable_safe_overflow(false)
                .history_size(0)
                .subscriber_max_buffer_size(1 << job.log2_ring)
                .subscriber_max_borrowed_samples(job.burst)
                .open_or_create()
                .map_err(text)
        };
        let (there, back) = match job.role {
            Role::Slave => (service("s2m")?, service("m2s")?),
            Role::Master => (service("m2s")?, service("s2m")?),
        };
        let publisher = there
            .publisher_builder()
            .initial_max_slice_len(job.size)
            .max_loaned_samples(job.burst)
            .backpressure_strategy(BackpressureStrategy::DiscardData)
            .create()
            .map_err(text)?;
        let subscriber = back.subscriber_builder().create().map_err(text)?;
        // What is published before somebody listens is lost.
        let start = Instant::now();
        while there.dynamic_config().number_of_subscribers() == 0 || back.dynamic_config().number_of_publishers() == 0 {
            if start.elapsed() > Duration::from_secs(10) {
                return Err("no other end of iceoryx2".to_owned());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        publisher.update_connections().map_err(text)?;
        Ok(Self { publisher, subscriber, _services: [there, back], _node: node })
    }

    #[inline]
    fn publish(&self, payload: &[u8]) -> Result<bool> {
        let sample = self.publisher.loan_slice_uninit(payload.len()).map_err(text)?;
        let sent = sample.write_from_slice(payload).send();
        // Nobody took it: the subscriber's buffer is full.
        Ok(sent.map_err(text)? > 0)
    }
}

impl Port for Iceoryx {
    #[inline]
    fn send(&mut self, payload: &[u8], count: usize) -> Result<usize> {
        for sent in 0..count {
            if !self.publish(payload)? {
                return Ok(sent);
            }
        }
        Ok(count)
    }

    #[inline]
    fn receive(&mut self, scratch: &mut [u8], count: usize) -> Result<Got> {
        let mut got = Got::default();
        while got.packets < count {
            let Some(sample) = self.subscriber.receive().map_err(text)? else { break };
            let bytes = sample.payload();
            scratch[..bytes.len()].copy_from_slice(bytes);
            got.packets += 1;
            got.bytes += bytes.len();
        }
        Ok(got)
    }

    #[inline]
    fn echo(&mut self, _: &mut [u8], count: usize) -> Result<usize> {
        let mut done = 0;
        while done < count {
            let Some(sample) = self.subscriber.receive().map_err(text)? else { break };
            while !self.publish(sample.payload())? {}
            done += 1;
        }
        Ok(done)
    }
}
