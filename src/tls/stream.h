#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/chain.h"
#include "base/condition.h"
#include "base/task.h"
#include "env/network.h"
#include "env/shard.h"
#include "tls/machine.h"

namespace millrace::tls {

// TLS over a connection of its shard: after a handshake, what read() and write() of the connection
// would do. At most one read and one write at a time.
//
// An idle stream has no buffer: ciphertext is received into the reader's own and decrypted in
// place. Only what does not fit there, the rest of a record before it, is kept for a moment.
//
// A server's stream has the system encrypt what it writes, where that can (kernel TLS): file ranges
// then go by sendfile, as on a connection without TLS.
class Stream {
  public:
    // `host` is the name that a client asked for; empty on the server's side. The connection lives
    // longer.
    Stream(env::Shard& shard, env::Connection& connection, std::shared_ptr<const Profile> profile,
           const std::string& host = {});

    // Error SASL_AUTHENTICATION_FAILED with the reason, which the peer has been told;
    // NETWORK_EXCEPTION where the connection ends.
    Task<Result<>> handshake();

    // Bytes read, at least 1; 0 when the peer has ended its side.
    Task<Result<std::size_t>> read(env::ReadRoom& room);
    // All of the chain is with the OS. File ranges are read in pieces, by a helper thread where
    // they are not in memory.
    Task<Result<>> write(Chain chain);
    bool is_writing() const { return writing_; }
    // Tells the peer that nothing more comes.
    Task<void> close();

    const Profile& profile() const { return *profile_; }
    const Machine& machine() const { return machine_; }

  private:
    class Writing;
    class Behind;
    Bytes staged() const;
    void take_staged(Bytes rest);
    MutableBytes stage();
    Task<Result<std::size_t>> read_some(env::ReadRoom& reader);
    Task<Result<>> write_all(const Chain& chain);
    Task<Result<>> write_slice(Bytes bytes, Buffer& plain);
    Task<Result<>> write_range(const FileRange& range, Buffer& plain);
    Task<Result<>> encrypt(Bytes plain);
    Task<Result<>> flush();
    void hand_over();
    Result<> check_keys() const;
    Task<Result<>> say(std::vector<Handover::Message> messages);

    env::Connection& connection_;
    std::shared_ptr<const Profile> profile_;
    Machine machine_;
    Buffer staged_;  // ciphertext that no reader had room for
    std::size_t staged_from_ = 0;
    bool ended_ = false;  // the connection has
    bool writing_ = false;
    Condition written_;
};

}  // namespace millrace::tls
