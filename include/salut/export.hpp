// Marks what libsalut.so exports. The library is built with hidden visibility: a program that links
// it sees these names and no others, so that a library which we use inside cannot clash with the
// program's own copy of it.
//
// On a class it exports all members and the type information that exceptions and casts need.
#pragma once

#define SALUT_API __attribute__((visibility("default")))
// Keeps a class private that is declared inside an exported one.
#define SALUT_HIDDEN __attribute__((visibility("hidden")))
