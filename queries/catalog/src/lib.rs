//! The model: virtual tables, keys, types, relationships and services, built from definitions and remote schemas.
//! It does no IO and knows neither DataFusion nor any protocol.

pub mod build;
pub mod definition;
pub mod error;
pub mod model;
pub mod names;
mod operation;
pub mod overlay;
pub mod profile;
pub mod spatial;
pub mod view;
pub mod vocabulary;

pub use build::{Report, build};
pub use definition::{
    AggregateDefinition, ColumnDefinition, EnumDefinition, IfMatch, ModelDefinition, OperationEntry, Profile, RelationshipDefinition,
    RowLimits, ServiceDefinition, ServiceTable, TableDefinition, WritesDefinition,
};
pub use error::ModelError;
pub use model::{Column, Model, Origin, Relationship, Service, Singleton, SourceModel, Through, VirtualTable, Writing};
pub use overlay::{Enumeration, Labels, Operation, Overlay};
pub use view::{ModelView, PropertyView, RelationshipView, SingletonView, TableView};
