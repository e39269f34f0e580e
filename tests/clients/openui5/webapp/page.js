/**
 * What a business user would click together: customers in a growing list with the name of their region, a search, a filter, an order,
 * an input that changes a city, the invoices of the customer that was pressed, and the credit of all customers by region.
 * Everything is asked through OpenUI5's OData V4 model as it comes; the test looks at the page and at the browser's own log.
 */
sap.ui.define([
  "sap/m/Button", "sap/m/Column", "sap/m/ColumnListItem", "sap/m/Input", "sap/m/OverflowToolbar", "sap/m/SearchField", "sap/m/Table",
  "sap/m/Text", "sap/m/Title", "sap/m/ToolbarSpacer", "sap/m/VBox", "sap/ui/core/Messaging", "sap/ui/model/Filter",
  "sap/ui/model/FilterOperator", "sap/ui/model/Sorter", "sap/ui/model/odata/type/Decimal", "sap/ui/model/odata/v4/ODataModel"
], (Button, Column, ColumnListItem, Input, OverflowToolbar, SearchField, Table, Text, Title, ToolbarSpacer, VBox, Messaging, Filter,
  FilterOperator, Sorter, DecimalType, ODataModel) => {
  "use strict";

  const parameters = new URLSearchParams(window.location.search);
  const model = new ODataModel({
    serviceUrl: parameters.get("service"),
    httpHeaders: { "X-Api-Key": parameters.get("key") },
    operationMode: "Server",
    autoExpandSelect: true
  });
  const columns = (...names) => names.map((name) => new Column({ header: new Text({ text: name }) }));

  const customers = new Table("customers", {
    growing: true,
    growingThreshold: 8,
    columns: columns("Id", "Name", "Region", "Credit", "Since", "City"),
    items: {
      path: "/Customers",
      parameters: { $count: true, $orderby: "Id" },
      template: new ColumnListItem({
        type: "Active",
        press: (event) => invoices.setBindingContext(event.getSource().getBindingContext()),
        cells: [
          new Text({ text: "{Id}" }), new Text({ text: "{Name}" }), new Text({ text: "{Home/name}" }), new Text({ text: "{Credit}" }),
          new Text({ text: "{Since}" }), new Input({ value: "{City}" })
        ]
      })
    }
  });
  customers.setModel(model);
  const list = customers.getBinding("items");
  const counted = new Title("counted", { text: "{$count}" });
  counted.setBindingContext(list.getHeaderContext());
  customers.setHeaderToolbar(new OverflowToolbar({
    content: [
      new Title({ text: "Customers" }), counted, new ToolbarSpacer(),
      new SearchField("search", {
        width: "12rem",
        search: (event) => list.filter(new Filter("Name", FilterOperator.Contains, event.getParameter("query")))
      }),
      new Button("abroad", {
        text: "Active in Europe",
        press: () => list.filter(new Filter({
          and: true,
          filters: [new Filter("Active", FilterOperator.EQ, true), new Filter("Home/name", FilterOperator.StartsWith, "Europe")]
        }))
      }),
      new Button("everybody", { text: "All", press: () => list.filter([]) }),
      new Button("richest", { text: "By credit", press: () => list.sort([new Sorter("Credit", true), new Sorter("Id")]) })
    ]
  }));

  const invoices = new Table("invoices", {
    headerToolbar: new OverflowToolbar({ content: [new Title({ text: "Invoices of the customer" })] }),
    columns: columns("Id", "Amount", "Issued", "Note"),
    items: {
      path: "Invoices",
      parameters: { $orderby: "amount desc" },
      template: new ColumnListItem({
        cells: [
          new Text({ text: "{id}" }), new Text({ text: "{amount}" }), new Text({ text: "{issued}" }), new Text({ text: "{note}" })
        ]
      }),
      templateShareable: false
    }
  });
  invoices.setModel(model);

  // What is added up has no type in the metadata.
  const money = (path) => new Text({ text: { path, type: new DecimalType({}, { precision: 20, scale: 2 }) } });
  const level = "@$ui5.node.level";
  const totals = new Table("totals", {
    growing: true,
    growingThreshold: 20,
    headerToolbar: new OverflowToolbar({
      content: [
        new Title({ text: "Credit by region" }), new ToolbarSpacer(),
        new Button("aggregate", {
          text: "Add up",
          press: () => totals.bindItems({
            path: "/Customers",
            parameters: {
              $$aggregation: {
                aggregate: {
                  Total: { name: "Credit", with: "sum", grandTotal: true, subtotals: true },
                  Lowest: { name: "Credit", with: "min", grandTotal: true, subtotals: true }
                },
                group: { City: {}, Region: {} },
                groupLevels: ["Region"]
              },
              $orderby: "Region desc,City"
            },
            template: new ColumnListItem({
              type: "Active",
              press: (event) => event.getSource().getBindingContext().expand(),
              cells: [
                new Text({ text: `{= %{${level}} }` }), new Text({ text: "{Region}" }), new Text({ text: "{City}" }),
                money("Total"), money("Lowest")
              ]
            }),
            templateShareable: false
          })
        })
      ]
    }),
    columns: columns("Level", "Region", "City", "Credit", "Lowest")
  });

  const page = new VBox({ items: [customers, invoices, totals] });
  page.setModel(model);
  page.placeAt("content");

  /** What OpenUI5 would tell its user: the texts of its messages. */
  window.portico = {
    messages: () => Messaging.getMessageModel().getData().map((message) => `${message.getType()}: ${message.getMessage()}`),
    pending: () => model.hasPendingChanges()
  };
});
