#pragma once

#include <utility>

#include "broker/handler.h"
#include "broker/work_meter.h"
#include "env/shard.h"
#include "quorum/metadata_quorum.h"

namespace millrace::broker {

// This node as a member of the quorum of controllers, as handlers of any shard ask it.
class QuorumMember {
  public:
    QuorumMember(env::Shard& shard, quorum::MetadataQuorum& quorum)
        : shard_(shard), quorum_(quorum) {}

    template <typename Request>
    auto answer(const Request& request, const Caller& caller)
        -> decltype(std::declval<quorum::MetadataQuorum&>().answer(request, quorum::Asker{})) {
        quorum::Asker asker{caller.peer().listener->name, caller.version()};
        auto ask = [&](env::Shard&) { return quorum_.answer(request, asker); };
        co_return co_await measured_call_on(shard_, 0, ask);
    }

  private:
    env::Shard& shard_;
    quorum::MetadataQuorum& quorum_;
};

}  // namespace millrace::broker
