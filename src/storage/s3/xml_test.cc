#include "storage/s3/xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

namespace millrace::storage::s3 {
namespace {

using testing::ElementsAre;

std::vector<std::string> leaves(std::string_view text) {
    std::vector<std::string> found;
    Result<> read = read_xml(text, [&](std::string_view path, std::string_view value) {
        found.push_back(std::string(path) + "=" + std::string(value));
    });
    if (!read) found = {"error"};
    return found;
}

TEST(Xml, LeavesWithTheirPaths) {
    EXPECT_THAT(
        leaves("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<A xmlns=\"http://x/>y\">\n <B>1</B><!-- <no/> --><C/><D e='>'><E> f </E></D>"
               "</A >\n"),
        ElementsAre("A/B=1", "A/C=", "A/D/E= f "));
    EXPECT_THAT(leaves("<a>x</a>"), ElementsAre("a=x"));
    EXPECT_THAT(leaves("\xef\xbb\xbf<a/>"), ElementsAre("a="));
    EXPECT_THAT(leaves("<a><b>1</b>mixed<b>2</b></a>"), ElementsAre("a/b=1", "a/b=2"));
}

TEST(Xml, TextIsDecoded) {
    EXPECT_THAT(leaves("<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#xe4;&#x20ac;&#128512;</a>"),
                ElementsAre("a=<>&\"'AB\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
    EXPECT_THAT(leaves("<a>1<![CDATA[<b>&lt;]]>2</a>"), ElementsAre("a=1<b>&lt;2"));
    EXPECT_EQ(escape_xml("<a b=\"c\">&</a>"), "&lt;a b=&quot;c&quot;&gt;&amp;&lt;/a&gt;");
}

TEST(Xml, WhatIsNoAnswerIsRefused) {
    for (std::string_view text : {"",
                                  " ",
                                  "x",
                                  "<a>",
                                  "<a></b>",
                                  "</a>",
                                  "<a/><b/>",
                                  "<a/>x",
                                  "<a>&nbsp;</a>",
                                  "<a>&#xd800;</a>",
                                  "<a>&#x110000;</a>",
                                  "<a>&#;</a>",
                                  "<a>&lt</a>",
                                  "<a b=\">",
                                  "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
                                  "<a><![CDATA[x</a>",
                                  "<![CDATA[x]]>",
                                  "<a><!-- </a>",
                                  "<?xml",
                                  "<>x</>"}) {
        EXPECT_THAT(leaves(text), ElementsAre("error")) << text;
    }
    std::string deep;
    for (int i = 0; i < 16; ++i) deep += "<a>";
    std::string close;
    for (int i = 0; i < 16; ++i) close += "</a>";
    EXPECT_EQ(leaves(deep + "x" + close).size(), 1U);
    EXPECT_THAT(leaves(deep + "<a>x</a>" + close), ElementsAre("error"));
}

}  // namespace
}  // namespace millrace::storage::s3
