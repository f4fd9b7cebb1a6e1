//! The RPCs of Flight. Each takes up its verified call and hands on; none does anything itself.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest,
    PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{Door, action, command, handshake, stream};

type Answer<T> = std::result::Result<Response<T>, Status>;
type Items<T> = BoxStream<'static, std::result::Result<T, Status>>;

/// The door as tonic's service.
#[derive(Clone)]
pub(crate) struct Service(pub(crate) Arc<Door>);

#[async_trait]
impl FlightService for Service {
    type HandshakeStream = handshake::Stream;
    type ListFlightsStream = Items<FlightInfo>;
    type DoGetStream = stream::Stream;
    type DoPutStream = Items<PutResult>;
    type DoExchangeStream = stream::Stream;
    type DoActionStream = Items<arrow_flight::Result>;
    type ListActionsStream = Items<ActionType>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Self::HandshakeStream> {
        self.0.login(request).await.map_err(|error| error.into_status(None))
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        let (call, _) = self.0.admit(request)?;
        call.answer(Ok(futures::stream::empty().boxed()))
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        let (call, descriptor) = self.0.admit(request)?;
        call.answer(self.0.flight_info(&call, descriptor).await)
    }

    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<PollInfo> {
        let (call, descriptor) = self.0.admit(request)?;
        call.answer(self.0.poll_info(&call, descriptor).await)
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Answer<SchemaResult> {
        let (call, descriptor) = self.0.admit(request)?;
        call.answer(self.0.schema(&call, descriptor).await)
    }

    async fn do_get(&self, request: Request<Ticket>) -> Answer<Self::DoGetStream> {
        let (call, ticket) = self.0.admit(request)?;
        call.answer(self.0.fetch(&call, &ticket).await)
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        let (call, messages) = self.0.admit(request)?;
        call.answer(self.0.put(&call, messages).await)
    }

    async fn do_exchange(&self, request: Request<Streaming<FlightData>>) -> Answer<Self::DoExchangeStream> {
        let (call, _) = self.0.admit(request)?;
        call.answer(Err(command::refused("DoExchange")))
    }

    async fn do_action(&self, request: Request<Action>) -> Answer<Self::DoActionStream> {
        let (call, action) = self.0.admit(request)?;
        call.answer(self.0.act(&call, &action).await)
    }

    async fn list_actions(&self, request: Request<Empty>) -> Answer<Self::ListActionsStream> {
        let (call, _) = self.0.admit(request)?;
        call.answer(Ok(futures::stream::iter(action::list().into_iter().map(Ok)).boxed()))
    }
}
