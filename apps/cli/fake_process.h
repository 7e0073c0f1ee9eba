#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "cli/process.h"

namespace millrace::cli {

// Streams in memory, for tests. The input comes in pieces of at most `piece` bytes.
class FakeProcess final : public Process {
  public:
    explicit FakeProcess(std::string input = {}, std::size_t piece = 1 << 16)
        : input_(std::move(input)), piece_(piece) {}

    bool write_output(std::string_view text) override {
        output += text;
        return listened;
    }
    bool write_error(std::string_view text) override {
        error += text;
        return true;
    }
    Result<std::size_t> read_input(MutableBytes into) override {
        std::size_t count = std::min({into.size(), piece_, input_.size() - at_});
        std::memcpy(into.data(), input_.data() + at_, count);
        at_ += count;
        return count;
    }
    void stop_input() override { at_ = input_.size(); }
    bool asks_a_person() const override { return false; }
    Duration ahead_of_utc(Timestamp) const override { return {}; }
    Result<std::string> executable() const override { return "/usr/bin/millrace"; }
    Result<> make_link(std::string_view target, std::string_view path) override {
        links.push_back(std::string(path) + " -> " + std::string(target));
        return {};
    }

    std::string output;
    std::string error;
    std::vector<std::string> links;
    bool listened = true;

  private:
    std::string input_;
    std::size_t piece_;
    std::size_t at_ = 0;
};

}  // namespace millrace::cli
