#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/condition.h"
#include "base/scope.h"
#include "client/accumulator.h"
#include "client/cluster.h"
#include "client/producer_request.h"
#include "env/shard.h"

namespace millrace::client {

struct SenderOptions {
    AccumulatorOptions accumulator;
    std::int16_t acks = -1;
    Duration request_timeout = Duration::seconds(30);
    std::size_t max_in_flight = 5;  // requests to one broker
    std::optional<std::string> transactional_id;
};

// Drives an Accumulator: sends what is ready to the leaders, hands their answers back, and keeps
// the producer's identity.
class ProducerSender {
  public:
    ProducerSender(Cluster& cluster, const SenderOptions& options);

    Accumulator& accumulator() { return accumulator_; }
    // To be called when the accumulator wants to be drained.
    void wake();
    // The topic's queues as of the present metadata; nullptr: it is not there.
    TopicQueues* topic(std::string_view name);
    // Waits until less of buffer.memory is used than now; makes all that waits go at once.
    Task<void> room();
    Task<void> flush();
    // Ends everything under way.
    Task<void> close();

  private:
    struct Node {
        std::size_t in_flight = 0;
        std::shared_ptr<BrokerConnection> connection;
        Time not_before;  // the broker asked for a pause
    };
    class Alarm final : public env::Timer {
      public:
        explicit Alarm(ProducerSender& sender) : sender_(sender) {}
        void fire() override { sender_.wake(); }

      private:
        ProducerSender& sender_;
    };
    // Keeps the accumulator in a hurry for as long as it lives.
    class Hurry {
      public:
        explicit Hurry(ProducerSender& sender) : sender_(sender) {
            sender_.accumulator_.begin_hurry();
            sender_.wake();
        }
        Hurry(const Hurry&) = delete;
        ~Hurry() { sender_.accumulator_.end_hurry(); }

      private:
        ProducerSender& sender_;
    };

    Task<void> run();
    Task<void> watch_metadata();
    Task<void> ask_identity();
    Task<Result<ProducerIdentity>> ask_identity_once();
    Task<void> send(Shipment shipment);
    void send_ready(Time now);
    void set_alarm(Time now);
    std::int32_t node_for(PartitionQueue& queue, Time now);
    bool find_leader(PartitionQueue& queue);
    void take_answer(const ShipmentRequest& request, const ProduceResponse& response, Node& node);
    void settle(const Shipment::Item& item, const Error& error);
    Error describe(const Shipment::Item& item,
                   const ProduceResponse::PartitionProduceResponse& told,
                   const std::string& broker) const;

    Cluster& cluster_;
    env::Shard& shard_;
    SenderOptions options_;
    Accumulator accumulator_;
    Scope scope_;
    std::map<std::int32_t, Node> nodes_;
    bool woken_ = true;
    bool asking_identity_ = false;
    Condition wake_;
    Condition settled_;
    Alarm alarm_{*this};
};

}  // namespace millrace::client
