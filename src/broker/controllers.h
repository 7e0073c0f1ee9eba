#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "broker/metadata_cache.h"
#include "config/broker_config.h"
#include "env/shard.h"
#include "quorum/metadata_quorum.h"

namespace millrace::broker {

// The way from a handler to the active controller.
class Controllers {
  public:
    Controllers(env::Shard& shard, quorum::MetadataQuorum& quorum, MetadataCache& metadata,
                const config::BrokerConfig& config)
        : shard_(shard), quorum_(quorum), metadata_(metadata), config_(config), scope_(shard) {}

    // The controller's answer to a command, when its records are committed and this shard's image
    // shows them. not_controller when there is no active controller to be reached.
    template <typename Command>
    Task<Result<quorum::ResponseOf<Command>>> submit(Command command) {
        auto on_controller = [&](env::Shard&) { return quorum_.submit(std::move(command)); };
        ASSIGN_OR_CO_RETURN(auto committed, co_await env::call_on(shard_, 0, on_controller));
        co_await metadata_.until(
            [&](const metadata::Image& image) { return image.offset >= committed.offset; });
        co_return std::move(committed.response);
    }

    // Makes those of the topics that can be made, with the defaults of this node: internal topics
    // get what their coordinators need. What became of each shows in the image.
    Task<void> auto_create(std::vector<std::string> topics);
    // The same while the caller goes on. Topics that are being made already are left out, and so
    // are those beyond a hundred: clients ask again.
    void auto_create_later(std::vector<std::string> topics);
    // Ends what goes on.
    Task<void> close() { return scope_.close(); }

    // raft::no_node while nobody leads.
    std::int32_t leader_id() const { return quorum_.leader_id(); }
    // The finalized level of kraft.version, which is not in the image.
    std::int16_t kraft_version() const { return quorum_.kraft_version(); }
    Task<quorum::QuorumStatus> status();

  private:
    Task<void> create_and_forget(std::vector<std::string> topics);

    env::Shard& shard_;
    quorum::MetadataQuorum& quorum_;
    MetadataCache& metadata_;
    const config::BrokerConfig& config_;
    std::set<std::string, std::less<>> being_made_;
    Scope scope_;
};

}  // namespace millrace::broker
