#pragma once

#include <boost/json/value.hpp>
#include <fmt/core.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/process.h"

namespace millrace::env {
class Shard;
}

namespace millrace::cli {

// What a tool says: text for people or JSON for programs on standard output, which is buffered;
// sentences about what went wrong on standard error, at once and behind what was said before.
class Output {
  public:
    explicit Output(Process& process) : process_(process) {}

    Process& process() { return process_; }

    template <typename... Args>
    void print(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    }
    template <typename... Args>
    void line(fmt::format_string<Args...> format, Args&&... args) {
        print(format, std::forward<Args>(args)...);
        text_.push_back('\n');
    }
    void write(std::string_view text) { text_.append(text); }
    // One document on a line of its own.
    void json(const boost::json::value& document);

    // A sentence on standard error.
    void error(std::string_view sentence);
    // error(), and the exit code for it.
    int fail(std::string_view sentence) {
        error(sentence);
        return 1;
    }
    int fail(const Error& error) { return fail(error.message); }

    std::string& buffer() { return text_; }  // for hot paths: what is not written yet
    // Writes the buffer on this thread; false when nobody listens any more.
    bool flush();
    // The same on a helper thread, for output that may have to wait for its reader.
    Task<bool> flush(env::Shard& shard);

  private:
    Process& process_;
    std::string text_;
};

// Columns of text, each as wide as its widest cell.
class Table {
  public:
    explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    // Cells padded to the column's width, `gap` after each.
    void print(Output& output, std::string_view gap) const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

// How many columns a terminal gives to it, and it padded to at least so many.
std::size_t width_of(std::string_view text);
std::string padded(std::string_view text, std::size_t width);

}  // namespace millrace::cli
