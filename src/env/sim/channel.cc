#include "env/sim/channel.h"

#include "env/sim/acceptor.h"
#include "env/sim/node.h"

namespace millrace::env::sim {
namespace {

class OpenConnection final : public Connection {
  public:
    OpenConnection(std::shared_ptr<Channel> channel, Endpoint& end)
        : channel_(std::move(channel)), end_(end) {}
    ~OpenConnection() override { end_.close(); }

    bool encrypt_writes(const TlsKeys& keys) override { return end_.encrypt_writes(keys); }
    void shutdown_write() override { end_.shutdown_write(); }
    void close() override { end_.close(); }
    const Address& peer() const override { return end_.other().local(); }
    const Address& local() const override { return end_.local(); }

  private:
    bool begin(ReadOperation& operation) override { return end_.begin(operation); }
    bool begin(WriteOperation& operation) override { return end_.begin(operation); }
    void give_up(ReadOperation& operation) override { end_.give_up(operation); }
    void give_up(WriteOperation& operation) override { end_.give_up(operation); }

    std::shared_ptr<Channel> channel_;
    Endpoint& end_;
};

}  // namespace

std::shared_ptr<Channel> Channel::make(Fabric& fabric, Party client, Party server,
                                       std::uint64_t acceptor) {
    auto channel =
        std::make_shared<Channel>(fabric, std::move(client), std::move(server), acceptor);
    channel->number_ = fabric.add(channel);
    return channel;
}

Channel::Channel(Fabric& fabric, Party client, Party server, std::uint64_t acceptor)
    : fabric_(fabric),
      acceptor_(acceptor),
      client_(*this, client.node, std::move(client.address)),
      server_(*this, server.node, std::move(server.address)) {}

bool Channel::connects(const Node& one, const Node& other) {
    return (&client_.node() == &one && &server_.node() == &other) ||
           (&client_.node() == &other && &server_.node() == &one);
}

void Channel::reset() {
    for (Endpoint* end : {&client_, &server_}) {
        if (end->known()) end->break_with("Connection reset by peer");
    }
    forget_if_over();
}

void Channel::drop(const Node& node, bool machine_answers) {
    for (Endpoint* end : {&client_, &server_}) {
        if (&end->node() != &node) continue;
        if (machine_answers) {
            end->close();
        } else {
            end->vanish();
        }
    }
}

void Channel::offer() {
    Acceptor* acceptor = fabric_.acceptor(acceptor_);
    if (acceptor == nullptr) {
        server_.abort();
    } else {
        acceptor->offer(shared_from_this());
    }
}

void Channel::forget_if_over() {
    bool over = !client_.known() && !client_.sending() && !server_.known() && !server_.sending();
    if (over) fabric_.remove(*this);
}

std::unique_ptr<Connection> open_client(std::shared_ptr<Channel> channel) {
    Endpoint& end = channel->client();
    return std::make_unique<OpenConnection>(std::move(channel), end);
}

std::unique_ptr<Connection> open_server(std::shared_ptr<Channel> channel) {
    Endpoint& end = channel->server();
    return std::make_unique<OpenConnection>(std::move(channel), end);
}

}  // namespace millrace::env::sim
