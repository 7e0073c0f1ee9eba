#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/task.h"
#include "broker/client_rates.h"
#include "broker/metadata_cache.h"
#include "core/controller/mutations.h"
#include "env/shard.h"
#include "net/request.h"

namespace millrace::broker {

// The quotas of the clients of one shard's connections: what a request is counted as, and how long
// its connection is then muted (KIP-13, KIP-124, KIP-219, KIP-599). Which ones apply to a client is
// looked up once a connection, and again when quotas change.
class ClientQuotas {
  public:
    // `by_shard` are the rates of all shards of the node.
    ClientQuotas(env::Shard& here, const MetadataCache& metadata, quotas::Window window,
                 std::vector<ClientRates*> by_shard)
        : here_(here), metadata_(metadata), window_(window), by_shard_(std::move(by_shard)) {}

    // False: nobody has a quota, and nothing else here need be asked.
    bool any() {
        if (metadata_.generation() != seen_) look_again();
        return any_;
    }

    // How long the client is to wait after a produce, which may have no answer to tell it in; after
    // a fetch that would bring so many bytes, and brings nothing when that is not zero; after any
    // other request.
    Task<Duration> produced(const net::Request& request, bool is_answered);
    Task<Duration> fetched(const net::Request& request, std::uint64_t bytes);
    Task<Duration> worked(const net::Request& request);
    // What one fetch may bring without a wait for certain.
    std::uint64_t most_to_fetch(const net::Request& request);
    // For what a request makes and removes of partitions. Null: without bound.
    controller::MutationQuotaPtr mutations(const net::Request& request,
                                           quotas::MutationQuota::Kind kind);
    // Whether the client has a quota of this kind.
    bool has(quotas::Kind kind, const net::Request& request);

  private:
    struct Note;
    using NotePtr = std::shared_ptr<const Note>;

    void look_again();
    NotePtr note_of(const net::Request& request);
    // `charge(ClientRates&, const quotas::Limit&) -> Duration` on the shard that counts the client.
    template <typename Charge>
    Task<Duration> on_owner(NotePtr note, quotas::Kind kind, Charge charge);

    env::Shard& here_;
    const MetadataCache& metadata_;
    quotas::Window window_;
    std::vector<ClientRates*> by_shard_;
    quotas::Table table_;
    std::uint64_t seen_ = 0;        // generation of the metadata
    std::uint64_t generation_ = 0;  // of the table
    bool any_ = false;
};

}  // namespace millrace::broker
